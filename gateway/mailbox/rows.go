package mailbox

// folderRow is one mirrored folder. UIDValidity and NextUID are ours, UpstreamUIDValidity is the other side's.
type folderRow struct {
	ID                  string `gorm:"column:id;primaryKey"`
	MailboxID           string `gorm:"column:mailbox_id"`
	Name                string `gorm:"column:name"`
	Attributes          string `gorm:"column:attributes"` // special-use attributes, one space between them
	Delimiter           string `gorm:"column:delimiter"`
	UIDValidity         uint32 `gorm:"column:uidvalidity"`
	NextUID             int64  `gorm:"column:next_uid"`
	UpstreamUIDValidity uint32 `gorm:"column:upstream_uidvalidity"`
	Version             int64  `gorm:"column:version"`
	Messages            int64  `gorm:"column:messages"`
}

// TableName is for gorm.
func (folderRow) TableName() string { return "mirror_folders" }

// messageRow is one message of a folder.
type messageRow struct {
	FolderID            string `gorm:"column:folder_id;primaryKey"`
	UID                 uint32 `gorm:"column:uid;primaryKey;autoIncrement:false"`
	ArticleID           string `gorm:"column:article_id"`
	Size                int64  `gorm:"column:size"`
	InternalMS          int64  `gorm:"column:internal_ms"`
	Flags               string `gorm:"column:flags"`
	UpstreamUIDValidity uint32 `gorm:"column:upstream_uidvalidity"`
	UpstreamUID         uint32 `gorm:"column:upstream_uid"`
	Version             int64  `gorm:"column:version"`
}

// TableName is for gorm.
func (messageRow) TableName() string { return "mirror_messages" }

// The kinds of changeRow.
const (
	changeAdd     = "add"
	changeRemove  = "remove"
	changeExpunge = "expunge"
)

// changeRow is one act of a client that upstream has not heard of yet.
type changeRow struct {
	ID                  string `gorm:"column:id;primaryKey"`
	MailboxID           string `gorm:"column:mailbox_id"`
	FolderID            string `gorm:"column:folder_id"`
	ArticleID           string `gorm:"column:article_id"`
	UpstreamUIDValidity uint32 `gorm:"column:upstream_uidvalidity"`
	UpstreamUID         uint32 `gorm:"column:upstream_uid"`
	Change              string `gorm:"column:change"`
	Flags               string `gorm:"column:flags"`
	CreatedMS           int64  `gorm:"column:created_ms"`
}

// TableName is for gorm.
func (changeRow) TableName() string { return "mirror_changes" }
